"""The check of estimated masks: how well do they agree with drawn ones (BA909)?"""
