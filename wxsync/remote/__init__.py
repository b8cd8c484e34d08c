"""The way out: dialer, requests, and the meaning of each API."""
