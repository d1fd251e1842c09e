"""What the tests share: real databases and a real server."""
