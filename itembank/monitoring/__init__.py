"""What watches the bank from outside: /healthz, /readyz and /metrics (docs/operations.md, "Watching it")."""
