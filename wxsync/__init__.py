"""wxsyncd: a WeCom bot that mirrors images and uploads files, and a callback relay, in one daemon."""
