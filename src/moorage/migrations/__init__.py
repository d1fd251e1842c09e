"""One history of the schema for both engines; ``schema.sql`` is what it ends in."""
