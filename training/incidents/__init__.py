"""The case library: incidents of a bid server listed, shown, played again, reviewed, and learnt from."""
