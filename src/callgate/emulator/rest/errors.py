"""What the platform answers when it does not do what was asked."""

import uuid

from aiohttp import web

ILLEGAL, MISSING, INVALID = 40001, 40002, 40003
NO_AUTHORIZATION, BAD_TIMESTAMP, BAD_SIGNATURE, BAD_CREDENTIALS = 40100, 40101, 40102, 40108
NO_CREDIT, FORBIDDEN, SCHEME_FORBIDDEN, NOT_FOUND, INTERNAL = 40200, 40300, 40301, 40400, 50000


class ApiError(Exception):
    """An error reply. The status is the first three of the five digits of `code`."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    def response(self) -> web.Response:
        """The error as the wire has it."""
        body = {"errorCode": self.code, "message": self.message, "reference": str(uuid.uuid4())}
        return web.json_response(body, status=self.code // 100)


def no_such_call() -> ApiError:
    """For calls that never were, have ended, or belong to another application."""
    return ApiError(NOT_FOUND, "Call not found")
