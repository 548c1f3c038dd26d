"""multipart/form-data (RFC 7578), parsed by the standard library's ``email``."""

from __future__ import annotations

from email.message import EmailMessage
from email.parser import BytesFeedParser
from email.policy import HTTP

from pytest_httpserve.scripting.request import UploadedFile


def parse_multipart(content_type: str, body: bytes) -> list[UploadedFile]:
    """The parts of a form, in order; empty for a body that is not what ``content_type`` says."""
    parser = BytesFeedParser(policy=HTTP)
    parser.feed(f"Content-Type: {content_type}\r\n\r\n".encode("latin-1"))
    parser.feed(body)
    message = parser.close()
    if not isinstance(message, EmailMessage) or not message.is_multipart():
        return []
    parts = []
    for part in message.iter_parts():
        payload = part.get_payload(decode=True)
        name = part.get_param("name", header="content-disposition")
        parts.append(
            UploadedFile(
                str(name or ""),
                part.get_filename() or "",
                part.get_content_type(),
                payload if isinstance(payload, bytes) else b"",
            )
        )
    return parts
