"""Carries decisions out: decide, record the intent, act, see, record that it is done."""
