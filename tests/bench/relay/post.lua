wrk.method = "POST"
wrk.headers["Content-Type"] = "text/xml"
wrk.body = string.rep("x", tonumber(os.getenv("BODY_BYTES") or "600"))
