"""The check of drawn masks: do they leave parts of the objects out (BA911)?"""
