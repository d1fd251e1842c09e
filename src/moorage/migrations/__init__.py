"""One history of the schema for both engines; ``schema.*.sql`` show what it ends in."""
