"""What pages read: functions of a transaction and a caller that return a context."""
