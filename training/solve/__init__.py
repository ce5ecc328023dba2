"""The commands `solve` and `pareto`: files of campaigns, their forecast, plans and fronts."""
