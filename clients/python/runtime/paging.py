"""A list as an iterator that asks for the next page when it is needed (AIP-4233)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, TypeVar

Page = TypeVar("Page")
Item = TypeVar("Item")


class Pager(Iterator[Item], Generic[Page, Item]):
    """The resources of a list, or by `pages` the answers that hold them. It goes over them once; nothing is asked for before the first.

    It begins with the page of the request's `page_token`. An error leaves it where it was: going on asks for the same page again.
    """

    def __init__(self, fetch: Callable[[Any], Page], request: Any, items: Callable[[Page], Iterable[Item]]) -> None:
        """`request` is the pager's own from now on."""
        self._fetch = fetch
        self._request = request
        self._items = items
        self._rest: Iterator[Item] = iter(())
        self._ended = False

    @property
    def next_page_token(self) -> str:
        """Where a later list with the same arguments goes on, behind the pages had so far; "" behind the last one."""
        return "" if self._ended else str(self._request.page_token)

    @property
    def pages(self) -> Iterator[Page]:
        """The pages that nobody has had yet, whole."""
        while not self._ended:
            yield self._turn()

    def __iter__(self) -> Pager[Page, Item]:
        return self

    def __next__(self) -> Item:
        while True:
            for item in self._rest:
                return item
            if self._ended:  # A page may be empty and not the last.
                raise StopIteration
            self._rest = iter(self._items(self._turn()))

    def _turn(self) -> Page:
        page: Any = self._fetch(self._request)
        token = page.next_page_token
        if token and token == self._request.page_token:
            raise RuntimeError("the server says that the next page is the one it has just given: the list would never end")
        self._request.page_token = token
        if getattr(self._request, "skip", 0):
            self._request.ClearField("skip")  # It counts from the token (AIP-158), and is done.
        self._ended = not token
        return page  # type: ignore[no-any-return] # It is a page; what it holds is for `items` to say.
