"""A package for the tests of `use`: see tests/unit/language/registry/test_packages.py."""
