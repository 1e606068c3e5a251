"""The AWS services beside DRS: behaviour laid over moto's, in a folder or a module per service."""
