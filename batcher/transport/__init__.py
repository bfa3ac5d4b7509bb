"""The HTTP boundary: requests out, replies in, failures named."""

from batcher.transport.exchange import Begin
from batcher.transport.http import HttpTransport, Received
from batcher.transport.reply import Reply, ReplyImage
from batcher.transport.routes import Routes

__all__ = ["Begin", "HttpTransport", "Received", "Reply", "ReplyImage", "Routes"]
