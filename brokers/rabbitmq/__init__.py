"""RabbitMQ as a broker: streams are the log. Needs the extra ``quartchat[rabbitmq]``."""

from .broker import RabbitMQBroker

__all__ = ["RabbitMQBroker"]
