"""The budget ledger: what is settled is durable, what may yet be owed is held, and the sum stays within the budget.

Words: an *account* is one campaign's day. A *lease* is money that one bidder process holds of it, taken in chunks
so that the hot path need not ask the store. A *reservation* is the part of a lease that one outstanding bid may
cost. A *settlement* books the price of a billed exposure; a valid one that comes after its reservation has run out
is *debt*, which blocks bidding until the account covers it. All amounts are whole micro-units of the currency.
"""
