"""Endpoints: read the request, open one transaction, call the core or a query, render."""
