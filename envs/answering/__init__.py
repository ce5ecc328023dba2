"""Markets whose other bidders answer: rivals with budgets, whose best bid is the market price."""
