"""(c): a REST service for flights as a competent team writes it with FastAPI, pydantic and SQLAlchemy 2.

A synchronous engine on mysqlclient with a pool, a session for each request, response models; uvicorn with uvloop and httptools, one
process; no authentication. `python -m tests.bench.with_fastapi HOST PORT USER DATABASE` prints the port it listens on.
"""

import secrets
import socket
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated

import uvicorn
from fastapi import Depends, FastAPI, HTTPException, Query
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import URL, BigInteger, String, create_engine, select
from sqlalchemy.dialects.mysql import DATETIME
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker

POOL_CONNECTIONS = 16
PAGE_ROWS_MAX = 1_000

Sessions = sessionmaker(expire_on_commit=False)
app = FastAPI()


class Base(DeclarativeBase):
    """What models are made from."""


class Flight(Base):
    """The table."""

    __tablename__ = "flights"

    flight: Mapped[str] = mapped_column(String(63), primary_key=True)
    row_version: Mapped[int] = mapped_column(BigInteger)
    airline: Mapped[str] = mapped_column(String(63))
    flight_number: Mapped[int]
    origin: Mapped[str] = mapped_column(String(63))
    destination: Mapped[str] = mapped_column(String(63))
    plane: Mapped[str] = mapped_column(String(63))
    tail_number: Mapped[str] = mapped_column(String(6))
    scheduled_departure_time: Mapped[datetime] = mapped_column(DATETIME(fsp=6))
    scheduled_arrival_time: Mapped[datetime] = mapped_column(DATETIME(fsp=6))
    departure_time: Mapped[datetime | None] = mapped_column(DATETIME(fsp=6))
    arrival_time: Mapped[datetime | None] = mapped_column(DATETIME(fsp=6))
    departure_delay: Mapped[int | None] = mapped_column(BigInteger)
    arrival_delay: Mapped[int | None] = mapped_column(BigInteger)
    air_time: Mapped[int | None] = mapped_column(BigInteger)
    distance_miles: Mapped[int]
    outcome: Mapped[int]
    create_time: Mapped[datetime] = mapped_column(DATETIME(fsp=6))
    update_time: Mapped[datetime] = mapped_column(DATETIME(fsp=6))


class FlightBody(BaseModel):
    """What callers write. Times are UTC, spans are microseconds."""

    airline: str
    flight_number: int = Field(ge=1, le=9_999)
    origin: str
    destination: str
    plane: str = ""
    tail_number: str = Field(default="", max_length=6)
    scheduled_departure_time: datetime
    scheduled_arrival_time: datetime
    departure_time: datetime | None = None
    arrival_time: datetime | None = None
    departure_delay: int | None = None
    arrival_delay: int | None = None
    air_time: int | None = Field(default=None, ge=0)
    distance_miles: int = Field(default=0, ge=0, le=13_000)
    outcome: int = Field(default=0, ge=0, le=3)


class NewFlight(FlightBody):
    """The same, with the id it shall have."""

    flight: str = Field(max_length=63)


class FlightChange(BaseModel):
    """What can be changed: as much as the benchmark changes."""

    distance_miles: int = Field(ge=0, le=13_000)


class FlightOut(FlightBody):
    """What callers read."""

    model_config = ConfigDict(from_attributes=True)

    flight: str
    row_version: int
    create_time: datetime
    update_time: datetime


class Page(BaseModel):
    """One page; the next one begins behind `next_page_token`."""

    flights: list[FlightOut]
    next_page_token: str = ""


def session() -> Iterator[Session]:
    """One for each request."""
    with Sessions() as made:
        yield made


InSession = Annotated[Session, Depends(session)]


@app.get("/flights/{flight}", response_model=FlightOut)
def get_flight(flight: str, database: InSession) -> Flight:
    """One row by its key."""
    found: Flight | None = database.get(Flight, flight)
    if found is None:
        raise HTTPException(404, f"{flight} was not found")
    return found


@app.get("/flights", response_model=Page)
def list_flights(
    database: InSession, page_size: Annotated[int, Query(ge=1, le=PAGE_ROWS_MAX)] = 50, page_token: str = ""
) -> dict[str, object]:
    """A page in the order of the ids."""
    rows = database.scalars(select(Flight).where(Flight.flight > page_token).order_by(Flight.flight).limit(page_size + 1)).all()
    return {"flights": rows[:page_size], "next_page_token": rows[page_size - 1].flight if len(rows) > page_size else ""}


@app.post("/flights", response_model=FlightOut, status_code=201)
def create_flight(body: NewFlight, database: InSession) -> Flight:
    """One INSERT, committed."""
    now = datetime.now(UTC).replace(tzinfo=None)
    flight = Flight(**body.model_dump(), row_version=secrets.randbits(62), create_time=now, update_time=now)
    database.add(flight)
    try:
        database.commit()
    except IntegrityError as error:
        raise HTTPException(409, f"{body.flight} exists already") from error
    return flight


@app.patch("/flights/{flight}", response_model=FlightOut)
def update_flight(flight: str, body: FlightChange, database: InSession) -> Flight:
    """Read and lock, change, commit."""
    found: Flight | None = database.get(Flight, flight, with_for_update=True)
    if found is None:
        raise HTTPException(404, f"{flight} was not found")
    for field, value in body.model_dump(exclude_unset=True).items():
        setattr(found, field, value)
    found.row_version += 1
    found.update_time = datetime.now(UTC).replace(tzinfo=None)
    database.commit()
    return found


def main(host: str, port: int, user: str, database: str) -> None:
    """Serve on a free port, which is printed, until SIGTERM."""
    url = URL.create("mysql+mysqldb", username=user, host=host, port=port, database=database, query={"charset": "utf8mb4"})
    Sessions.configure(bind=create_engine(url, pool_size=POOL_CONNECTIONS, max_overflow=24, isolation_level="READ COMMITTED"))
    listening = socket.create_server(("127.0.0.1", 0))
    print(listening.getsockname()[1], flush=True)
    config = uvicorn.Config(app, loop="uvloop", http="httptools", access_log=False, log_level="warning")
    uvicorn.Server(config).run(sockets=[listening])


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4])
