"""From older versions of the language to the present one, text by text.

A migration, once released, is never changed and never deleted: a spec of any age can be
brought to the present. The policy is in ``docs/versions.md``.
"""

from ffebm_dsl.language.migrations.ordered import MIGRATIONS, Migration, migrate, version_of

__all__ = ["MIGRATIONS", "Migration", "migrate", "version_of"]
