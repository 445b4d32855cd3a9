"""Dates, periods and calendars of any kind."""
