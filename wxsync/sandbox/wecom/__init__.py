"""Stand-in of WeCom: pushes callbacks as its servers do, answers its API, keeps the members' chats."""
