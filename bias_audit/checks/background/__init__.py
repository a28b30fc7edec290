"""The check of the background: does the prediction follow it, on paired composites (BA201, BA202, BA204)?"""
