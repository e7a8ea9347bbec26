"""Tells twistd of `twistd conchgo`. There is no __init__.py beside this file: the package is Twisted's."""

from twisted.application.service import ServiceMaker

conchgo = ServiceMaker("conchgo", "conchgo.service.maker", "One SSH port for a team's files.", "conchgo")
