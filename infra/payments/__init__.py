"""Providers of payments, behind commands/payment_port.py."""
