"""Statements of reasons in the field names of the EU DSA Transparency Database, and the check of their fields."""

from __future__ import annotations

from tsclassify.dsa.statement import FieldFault, check_statement, statement_of_reasons

__all__ = ["FieldFault", "check_statement", "statement_of_reasons"]
