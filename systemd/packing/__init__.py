"""The release builder: a reproducible archive from what git has. Run by `make dist`; not part of a release."""
