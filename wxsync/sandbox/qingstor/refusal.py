"""QingStor's error codes. Floor: sandbox."""

from __future__ import annotations

STATUS = {
    "invalid_access_key_id": 401, "signature_not_matched": 401, "request_expired": 403, "permission_denied": 403,
    "bucket_not_exists": 404, "object_not_exists": 404, "upload_not_exists": 404, "method_not_allowed": 405,
    "invalid_argument": 400, "invalid_request": 400, "bad_digest": 400, "entity_too_small": 400,
    "entity_too_large": 400, "invalid_object_name": 400, "invalid_object_state": 400, "invalid_range": 416,
    "quota_exceeded": 403,  # the documents name no code for it
}


class Refusal(Exception):
    """One of QingStor's error codes."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message
