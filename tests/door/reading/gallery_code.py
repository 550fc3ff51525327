"""Code around and beside reads: it sees whole resources, whatever its callers asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from protoplane.contract.served import message
from protoplane.method.custom import Call, Handler, Servicer

if TYPE_CHECKING:
    from google.protobuf.message import Message


class Gallery(Servicer, service="gallery.v1.Gallery"):
    """Some of the gallery's methods."""

    def get_artist(self, call: Call, request: Any, serve: Handler[Any, Any]) -> Message:
        """Signs the biography with what else is known."""
        artist: Any = serve(call, request)
        artist.biography += f" ({artist.display_name} of {artist.studio})"
        return artist  # type: ignore[no-any-return]  # Messages of the contract have no types here.

    def list_artists(self, call: Call, request: Any, serve: Handler[Any, Any]) -> Message:
        """Signs each."""
        page: Any = serve(call, request)
        for artist in page.artists:
            artist.biography += f" ({artist.display_name} of {artist.studio})"
        return page  # type: ignore[no-any-return]  # Messages of the contract have no types here.

    def batch_get_artists(self, call: Call, request: Any, serve: Handler[Any, Any]) -> Message:
        """Signs each."""
        answer: Any = serve(call, request)
        for artist in answer.artists:
            artist.biography += f" ({artist.display_name} of {artist.studio})"
        return answer  # type: ignore[no-any-return]  # Messages of the contract have no types here.

    def delete_artist(self, call: Call, request: Any) -> Message:
        """Deletes the artist, and says goodbye."""
        artist: Any = call.get(message("gallery.v1.Artist"), request.name)
        call.delete(message("gallery.v1.Artist"), request.name)
        return message("gallery.v1.DeleteArtistResponse")(epitaph=f"Here lies {artist.display_name}", artist=artist)

    def describe_picture(self, call: Call, request: Any) -> Message:
        """In words."""
        picture: Any = call.get(message("gallery.v1.Picture"), request.name)
        return message("gallery.v1.DescribePictureResponse")(text=f"{picture.title}, {picture.year}", picture=picture)
