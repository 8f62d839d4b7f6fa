# SPDX-License-Identifier: Apache-2.0
# Sourced: monitoring systems of Debian's packages in $dir, none of them as a service, all of them on loopback. What they
# check is what check_set says; how they notify is what `nightshift source doctor` prints for pasting, taken from there.
#   paste_of SOURCE                  what it prints
#   notify_install SOURCE            the script of Nagios' and Icinga's commands, its token beside it; sets $notify
#   check_set NAME CODE TEXT         the next result of the check NAME
#   nagios_start SOURCE, icinga_start SOURCE
paste_of() { ns source doctor "$1" -o json | jq -r .paste || true; }
notify_install() { # SOURCE TOKEN
    notify=$dir/notify-nightshift
    paste_of "$1" | sed -n '/^#!\/bin\/sh$/,/^$/p' | sed "s|/etc/nightshift-token.header|$dir/token.header|" >"$notify"
    chmod 755 "$notify"
    (umask 077; echo "Authorization: Bearer $2" >"$dir/token.header")
    cat >"$dir/check" <<'END'
#!/bin/sh
# As plugins are: a line of text, and a status.
cat "$1.text"
exit "$(cat "$1.code")"
END
    chmod 755 "$dir/check"
}
check_set() { # NAME CODE TEXT
    mkdir -p "$dir/checks"
    echo "$3" >"$dir/checks/$1.text"
    echo "$2" >"$dir/checks/$1.code.new"
    mv "$dir/checks/$1.code.new" "$dir/checks/$1.code"
}
# What was printed for a system, from its heading to the next one, with our script's place.
commands_of() { # SOURCE HEADING
    paste_of "$1" | sed -n "/^# $2\$/,/^\$/p" | sed "s|/usr/local/bin/notify-nightshift|$notify|"
}

# ---- Nagios -----------------------------------------------------------------------------------------------------------
nagios_start() { # SOURCE
    local at=$dir/nagios
    mkdir -p "$at"/{results,archives}
    commands_of "$1" Nagios >"$at/nightshift.cfg"
    grep -v -e '^cfg_' -e '^resource_file' -e '/var/' -e '^interval_length' -e '^check_result_reaper' -e '^use_syslog' \
        -e '^nagios_' -e '^check_for_updates' -e '^notification_timeout' -e '^log_archive' /etc/nagios4/nagios.cfg >"$at/nagios.cfg"
    cat >>"$at/nagios.cfg" <<END
cfg_file=$at/objects.cfg
cfg_file=$at/nightshift.cfg
log_file=$at/log
log_archive_path=$at/archives
object_cache_file=$at/objects.cache
precached_object_file=$at/objects.precache
status_file=$at/status
command_file=$at/command
lock_file=$at/lock
temp_file=$at/temp
check_result_path=$at/results
state_retention_file=$at/retention
nagios_user=$(id -un)
nagios_group=$(id -gn)
interval_length=1
check_result_reaper_frequency=1
use_syslog=0
check_for_updates=0
notification_timeout=60
END
    cat >"$at/objects.cfg" <<END
define timeperiod {
  timeperiod_name always
  alias always
  sunday 00:00-24:00
  monday 00:00-24:00
  tuesday 00:00-24:00
  wednesday 00:00-24:00
  thursday 00:00-24:00
  friday 00:00-24:00
  saturday 00:00-24:00
}
define command {
  command_name state
  command_line $dir/check $dir/checks/\$ARG1\$
}
define contact {
  contact_name nightshift
  host_notifications_enabled 1
  service_notifications_enabled 1
  host_notification_period always
  service_notification_period always
  host_notification_options d,u,r,f,s
  service_notification_options w,u,c,r,f,s
  host_notification_commands notify-host-nightshift
  service_notification_commands notify-service-nightshift
}
define host {
  host_name r1h1
  address 192.0.2.1
  check_command state!nagios-host
  max_check_attempts 1
  check_interval 1
  check_period always
  notification_interval 0
  notification_period always
  contacts nightshift
}
define service {
  host_name r1h1
  service_description Disk Usage
  check_command state!nagios-disk
  max_check_attempts 1
  check_interval 1
  retry_interval 1
  check_period always
  notification_interval 0
  notification_period always
  flap_detection_enabled 0
  contacts nightshift
}
END
    CURL_CA_BUNDLE=$dir/tls/ca.pem nagios4 "$at/nagios.cfg" >"$at/out" 2>&1 &
    pids+=("$!")
    await 30 test -s "$at/status" || { cat "$at/out"; fail "Nagios does not start"; verdict; }
}

# ---- Icinga 2 -----------------------------------------------------------------------------------------------------------
icinga_start() { # SOURCE
    local at=$dir/icinga
    mkdir -p "$at"/{data,cache,log,run,spool}
    commands_of "$1" 'Icinga 2' >"$at/nightshift.conf"
    cat >"$at/icinga2.conf" <<END
include <itl>
const NodeName = "test"
const ZoneName = NodeName
object Endpoint NodeName {}
object Zone ZoneName { endpoints = [ NodeName ] }
object CheckerComponent "checker" {}
object NotificationComponent "notification" {}
object FileLogger "main" {
  severity = "notice"
  path = "$at/log/icinga2.log"
}
object CheckCommand "state" { command = [ "$dir/check", "$dir/checks/\$state_name\$" ] }
object User "nightshift" {}
include "$at/nightshift.conf"
object Host "r1h2" {
  address = "192.0.2.2"
  check_command = "state"
  vars.state_name = "icinga-host"
  check_interval = 1s
  retry_interval = 1s
  max_check_attempts = 1
}
object Service "Fan 3" {
  host_name = "r1h2"
  check_command = "state"
  vars.state_name = "icinga-fan"
  check_interval = 1s
  retry_interval = 1s
  max_check_attempts = 1
}
apply Notification "nightshift" to Host {
  command = "nightshift-host"
  users = [ "nightshift" ]
  interval = 0
  assign where true
}
apply Notification "nightshift" to Service {
  command = "nightshift-service"
  users = [ "nightshift" ]
  interval = 0
  assign where true
}
END
    CURL_CA_BUNDLE=$dir/tls/ca.pem setsid icinga2 daemon -c "$at/icinga2.conf" -DDataDir="$at/data" -DCacheDir="$at/cache" \
        -DLogDir="$at/log" -DInitRunDir="$at/run" -DSpoolDir="$at/spool" -DConfiguration.RunAsUser="$(id -un)" \
        -DConfiguration.RunAsGroup="$(id -gn)" >"$at/out" 2>&1 &
    icinga_pid=$!
    await 60 grep -q 'Activated all objects' "$at/out" "$at/log/icinga2.log" || { tail -n 20 "$at/out"; fail "Icinga 2 does not start"; verdict; }
}
icinga_stop() { # Its workers and helpers too.
    [ -n "${icinga_pid:-}" ] || return 0
    kill -- "-$icinga_pid" 2>/dev/null || true
    wait "$icinga_pid" 2>/dev/null || true
    icinga_pid=
}
