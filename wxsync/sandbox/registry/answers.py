"""What a registry says: its error documents and its refusals (OCI distribution specification 1.1). Floor: sandbox."""

from __future__ import annotations

from wxsync.sandbox.server import Answer, json_answer

STATUS = {  # code: status, message
    "BLOB_UNKNOWN": (404, "blob unknown to registry"),
    "BLOB_UPLOAD_INVALID": (400, "blob upload invalid"),
    "BLOB_UPLOAD_UNKNOWN": (404, "blob upload unknown to registry"),
    "DENIED": (403, "requested access to the resource is denied"),
    "DIGEST_INVALID": (400, "provided digest did not match uploaded content"),
    "MANIFEST_BLOB_UNKNOWN": (404, "blob unknown to registry"),
    "MANIFEST_INVALID": (400, "manifest invalid"),
    "MANIFEST_UNKNOWN": (404, "manifest unknown"),
    "NAME_UNKNOWN": (404, "repository name not known to registry"),
    "RANGE_INVALID": (416, "invalid content range"),
    "UNAUTHORIZED": (401, "authentication required"),
    "UNSUPPORTED": (405, "The operation is unsupported."),
}
QUOTA = "Quota exceeded when processing the request: the storage limit of the project is reached"  # Harbor's way


class Refusal(Exception):
    """One error of the specification; message replaces the code's usual one."""

    def __init__(
        self, code: str, message: str = "", *, detail: object = None, headers: tuple[tuple[str, str], ...] = ()
    ) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message or STATUS[code][1]
        self.detail = detail
        self.headers = headers

    def answer(self) -> Answer:
        """Return it as the registry says it."""
        return Answer(STATUS[self.code][0], error_body(self.code, self.message, self.detail), headers=self.headers)


def error_body(code: str, message: str = "", detail: object = None) -> bytes:
    """Return an error document, also for the faults that a test orders."""
    return json_answer({"errors": [{"code": code, "message": message, "detail": detail}]}).body
