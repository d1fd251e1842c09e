"""The owner's commands: they know a server by its address and a key, and use the SDK alone.

``commands`` says what each takes; the modules here do it and are imported when a command runs.
"""
