"""Retry-After in all its forms, and in forms that nobody should send."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from wxsync.remote.retryafter import instant_of, retry_after_s

NOW = datetime(2015, 10, 21, 7, 28, 0, tzinfo=timezone.utc)
DATE = "Wed, 21 Oct 2015 07:28:09 GMT"
MANY = "9" * 30


@pytest.mark.parametrize(("text", "date", "now", "seconds"), [
    ("7", None, None, 7.0), (" 7 ", None, None, 7.0), ("0", None, NOW, 0.0), (MANY, None, NOW, None),
    ("-1", None, NOW, None), ("1.5", None, NOW, None), ("²", None, NOW, None), ("soon", None, NOW, None),
    (None, DATE, NOW, None), ("", DATE, NOW, None),
    (DATE, None, NOW, 9.0), (DATE, "Wed, 21 Oct 2015 07:28:01 GMT", NOW, 8.0), (DATE, "never", NOW, 9.0),
    (DATE, None, None, None), ("Wed, 21 Oct 2015 07:27:00 GMT", None, NOW, 0.0),
    ("Wed, 21 Oct 2015 07:28:09 -0000", None, NOW, 9.0),
])  # fmt: skip
def test_what_it_says_becomes_seconds(text, date, now, seconds):
    assert retry_after_s(text, date=date, now=now) == seconds


@pytest.mark.parametrize("text", [
    f"Wed, 21 Oct 2015 07:28:00 +{MANY}", f"Wed, 21 Oct {MANY} 07:28:00 GMT", f"Wed, {MANY} Oct 2015 07:28:00 GMT",
    f"Wed, 21 Oct 2015 {MANY}:28:00 GMT", "Wed, 21 Oct 2015 07:28:00 +9999", "0 0 0 0 0 0",
])  # fmt: skip
def test_a_hostile_date_is_none_and_breaks_nothing(text):
    assert instant_of(text) is None
    assert retry_after_s(text, date=text, now=NOW) is None
