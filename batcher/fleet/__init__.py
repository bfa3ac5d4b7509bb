"""What several workers share: shards, money, pace and orders, over one directory.

The directory's `create`, of which one of many is told true, is the only thing that
excludes; its files' times are the only clock that all share.
"""

from batcher.fleet.allowance import Allowance
from batcher.fleet.crew import Crew, crew_of
from batcher.fleet.driver_sign import DriverSign, Word
from batcher.fleet.holder import Holder
from batcher.fleet.lease import TTL, HeldError, Lease
from batcher.fleet.member import Member, MemberListener
from batcher.fleet.order import ENDED, Order, last_order, send
from batcher.fleet.purse import Note, Purse, PurseTerms
from batcher.fleet.round import Round
from batcher.fleet.shard import shard_from
from batcher.fleet.share import Quota

__all__ = [
    "ENDED",
    "TTL",
    "Allowance",
    "Crew",
    "DriverSign",
    "HeldError",
    "Holder",
    "Lease",
    "Member",
    "MemberListener",
    "Note",
    "Order",
    "Purse",
    "PurseTerms",
    "Quota",
    "Round",
    "Word",
    "crew_of",
    "last_order",
    "send",
    "shard_from",
]
