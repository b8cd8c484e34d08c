"""WeCom: signature and encryption, envelope, message API."""
