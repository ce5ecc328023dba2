"""Campaigns: what an advertiser wants and may spend, its KPIs, segments and profiles."""
