"""Examples to begin with: where Prometheus scrapes, and whom Alertmanager tells."""

from deploy.panels import Json


def alertmanager() -> Json:
    """An example: pages to PagerDuty and Slack, tickets to Slack and mail. Keys are files."""
    text = "{{ range .Alerts }}{{ .Annotations.summary }} {{ .Annotations.runbook }}\n{{ end }}"
    slack: Json = {
        "api_url_file": "/etc/alertmanager/secrets/slack_url",
        "channel": "#agentledger",
        "title": "{{ .CommonLabels.alertname }}",
        "text": text,
        "send_resolved": True,
    }
    pagerduty: Json = {"routing_key_file": "/etc/alertmanager/secrets/pagerduty_key"}
    mail: Json = {
        "to": "agentledger@example.com",
        "from": "alertmanager@example.com",
        "smarthost": "smtp.example.com:587",
        "auth_username": "alertmanager@example.com",
        "auth_password_file": "/etc/alertmanager/secrets/smtp_password",
    }
    return {
        "route": {
            "receiver": "tickets",
            "group_by": ["alertname", "service"],
            "group_wait": "30s",
            "group_interval": "5m",
            "repeat_interval": "12h",
            "routes": [
                {
                    "matchers": ['severity="page"'],
                    "receiver": "pages",
                    "repeat_interval": "1h",
                }
            ],
        },
        "inhibit_rules": [
            {
                "source_matchers": ['alertname="AgentLedgerDown"'],
                "target_matchers": ['severity="ticket"'],
                "equal": ["service"],
            }
        ],
        "receivers": [
            {"name": "pages", "pagerduty_configs": [pagerduty], "slack_configs": [slack]},
            {"name": "tickets", "slack_configs": [slack], "email_configs": [mail]},
        ],
    }


def prometheus() -> Json:
    """An example: where to scrape, and which rules."""
    targets: list[Json] = [{"targets": ["127.0.0.1:9464"]}]
    return {
        "global": {"scrape_interval": "15s", "evaluation_interval": "15s"},
        "rule_files": ["rules.yaml", "alerts.yaml"],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": ["alertmanager:9093"]}]}]},
        "scrape_configs": [{"job_name": "agentledger", "static_configs": targets}],
    }
