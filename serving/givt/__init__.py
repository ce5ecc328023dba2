"""General invalid traffic: what lists say of addresses, programs, apps and sites, and what is wrong with who sells."""
