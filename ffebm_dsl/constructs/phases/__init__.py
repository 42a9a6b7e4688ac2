"""The phases that blocks relax in, and the keys of `relax`."""
