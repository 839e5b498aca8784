"""Who a call is for, and what it can be counted under."""

from __future__ import annotations

from msgspec import Struct


class Whose(Struct, frozen=True):
    """Who pays, beside the key: its user, team and organisation by their ids, and the tags that the caller or the key put
    on the call. Empty where nobody is named."""

    user_id: str = ""
    team: str = ""
    org: str = ""
    tags: tuple[str, ...] = ()


NOBODY = Whose()


class Payer(Struct, frozen=True):
    """Whom a call is booked to: the name of its key in the books ("": of the key that it is sent with), and whose it is."""

    key: str = ""
    whose: Whose = NOBODY
