"""Editor support: pure functions of a text and a place in it.

They work on unfinished texts: the parser knows the terminals that a place accepts, and names are
looked up in the AST of the mended text.
:mod:`~ffebm_dsl.tools.editor.answers` puts them in the types of the Language Server Protocol, and
:mod:`~ffebm_dsl.tools.editor.server` answers by it.
"""
