#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The aws driver against moto over HTTP. What the driver did is asked back with awscli, which is not ours.
# moto does not check signatures (the unit test does) and ignores client tokens.
# timeout: 300
. "$(dirname "$0")/common.sh"
needs jq aws
moto=$(HOME=$(getent passwd "$(id -u)" | cut -d: -f6) bash "$NS_SOURCE/tests/peers/moto.sh" 2>"$dir/why") || skip "$(cat "$dir/why")"

port=$((10000 + $$ % 20000))
url=http://127.0.0.1:$port
PYTHONPATH=$moto /usr/bin/python3 -c 'import sys; from moto.server import main
sys.argv = ["moto_server", "-H", "127.0.0.1", "-p", sys.argv[1]]; main()' "$port" >"$dir/moto.log" 2>&1 &
pids+=($!)
await 60 curl -fs "$url/moto-api/" || { tail -5 "$dir/moto.log"; echo "moto did not start"; exit 1; }

export AWS_ACCESS_KEY_ID=AKIDEXAMPLE AWS_SECRET_ACCESS_KEY=example-secret AWS_DEFAULT_REGION=eu-central-1 AWS_PAGER=
ask() { aws --endpoint-url "$url" --output json "$@"; }
state_of() { ask ec2 describe-instances --instance-ids "$1" | jq -r '.Reservations[0].Instances[0].State.Name'; }
count_in() { ask autoscaling describe-auto-scaling-groups --auto-scaling-group-names web | jq -r ".AutoScalingGroups[0].$1"; }

image=$(ask ec2 describe-images --owners amazon | jq -r '.Images[0].ImageId')
instance=$(ask ec2 run-instances --image-id "$image" --count 1 --instance-type t3.micro | jq -r '.Instances[0].InstanceId')
install -m 600 /dev/stdin "$dir/key" <<<example-secret
install -m 600 /dev/stdin "$dir/credentials" <<<$'[default]\naws_access_key_id = AKIDEXAMPLE\naws_secret_access_key = example-secret\n[ops]\nrole_arn = arn:aws:iam::123456789012:role/ops\nsource_profile = default'
cat >"$dir/aws.conf" <<CONF
hosts: (
    { name = "vm1"; rack = "r1"; bmc = { driver = "aws"; region = "eu-central-1"; endpoint = "$url"; poll = "50ms"; access_key = "AKIDEXAMPLE"; secret_key = "file:key"; }; },
    { name = "vm2"; rack = "r1"; bmc = { driver = "aws"; region = "eu-central-1"; endpoint = "$url"; poll = "50ms"; credentials_file = "file:credentials"; profile = "ops"; }; }
);
CONF
never_said=example-secret
call() { # HOST VERB ...: a driver host for each
    out=$("$NS_BUILD/tests/drive" "$bin/nightshift-spawn" "$NS_BUILD/drivers" "$dir/aws.conf" "$dir" <<<"$*" 2>&1)
    unsaid "$@"
}

# ---- power ----------------------------------------------------------------------------------------------------------
call vm1 power.status set.instance="$instance"
told "status" '"\(.code) \(.result.power) \(.result.type)"' "ok on t3.micro"
call vm1 power.off set.instance="$instance"
told "off" '"\(.code) \(.result.power) \(.result.changed)"' "ok off true"
is "off: awscli agrees" "$(state_of "$instance")" stopped
call vm1 power.off set.instance="$instance"
told "off again" '"\(.code) \(.result.changed)"' "ok false"
call vm1 reset.soft set.instance="$instance"
told "a stopped instance does not reboot" '"\(.code) \(.effect_possible)"' "conflict false"
call vm1 power.on set.instance="$instance"
told "on" '"\(.code) \(.result.power) \(.result.changed)"' "ok on true"
call vm1 power.cycle set.instance="$instance"
told "cycle" '"\(.code) \(.result.power)"' "ok on"
# At least: stop, a look, start, a look.
trace=$(jq -r .trace <<<"$out")
has "cycle: stop, wait, then start" "$(grep -c "POST.* -> 200" <<<"$trace")" "^([4-9]|[1-9][0-9])$"
call vm1 reset.hard set.instance="$instance"
told "hard reset" '"\(.code) \(.result.power)"' "ok on"
call vm1 reset.soft set.instance="$instance"
told "soft reset" '"\(.code) \(.result.changed)"' "ok true"
is "on: awscli agrees" "$(state_of "$instance")" running
call vm1 aws.status set.instance="$instance"
told "health" '"\(.code) \(.result.system) \(.result.instance_status)"' "ok ok ok"
call vm1 power.status set.instance=i-0123456789abcdef0
told "no such instance" .code not-found
call vm1 power.status
told "no instance set" .code invalid
call vm2 power.status set.instance="$instance"
told "a role of a profile" '"\(.code) \(.result.power)"' "ok on"

# ---- instances that come and go -------------------------------------------------------------------------------------
call vm1 provision image="$image" type=t3.micro name=vm1
told "provision" '"\(.code) \(.result.power)"' "ok on"
made=$(jq -r .result.instance <<<"$out")
is "provision: it has the name, and the action" "$(ask ec2 describe-tags --filters "Name=resource-id,Values=$made" | jq -r '[.Tags[].Key] | sort | join(" ")')" "Name nightshift-op"
ask ec2 modify-instance-attribute --instance-id "$made" --disable-api-termination
call vm1 remove set.instance="$made"
told "protected against termination" '"\(.code) \(.effect_possible)"' "refused false"
is "protected: it lives" "$(state_of "$made")" running
call vm1 remove set.instance="$made" force=true
told "protected, force" '"\(.code) \(.result.state)"' "ok terminated"
call vm1 remove set.instance="$made"
told "removed twice" '"\(.code) \(.result.changed)"' "ok false"

# ---- a group --------------------------------------------------------------------------------------------------------
ask autoscaling create-launch-configuration --launch-configuration-name web --image-id "$image" --instance-type t3.micro
ask autoscaling create-auto-scaling-group --auto-scaling-group-name web --launch-configuration-name web --min-size 1 --max-size 4 \
    --desired-capacity 2 --availability-zones eu-central-1a
call vm1 aws.group set.group=web
told "group" '"\(.code) \(.result.desired) \(.result.in_service) \(.result.max)"' "ok 2 2 4"
call vm1 add set.group=web
told "add" '"\(.code) \(.result.desired) \(.result.in_service)"' "ok 3 3"
is "add: awscli agrees" "$(count_in DesiredCapacity)" 3
call vm1 add set.group=web count=5
told "beyond the group's size" '"\(.code) \(.effect_possible)"' "limit false"
call vm1 aws.capacity set.group=web desired=2
told "capacity" '"\(.code) \(.result.desired)"' "ok 2"
member=$(count_in 'Instances[0].InstanceId')
call vm1 drain set.group=web set.instance="$member"
told "standby" '"\(.code) \(.result.lifecycle) \(.result.changed)"' "ok Standby true"
is "standby: awscli agrees" "$(count_in "Instances[] | select(.InstanceId == \"$member\") | .LifecycleState" 2>/dev/null || ask autoscaling describe-auto-scaling-instances --instance-ids "$member" | jq -r '.AutoScalingInstances[0].LifecycleState')" Standby
call vm1 undrain set.group=web set.instance="$member"
told "back in service" '"\(.code) \(.result.lifecycle)"' "ok InService"
call vm1 remove set.group=other set.instance="$member"
told "in another group" '"\(.code) \(.effect_possible)"' "mismatch false"
call vm1 remove set.group=web set.instance="$member"
told "removed from its group" '"\(.code) \(.result.state)"' "ok terminated"
is "the group shrank" "$(count_in DesiredCapacity)" 1
call vm1 aws.group set.group=nowhere
told "no such group" .code not-found
call vm1 aws.doctor set.instance="$instance"
told "doctor: who we are" '.result.checks[] | select(.check == "identity") | .state' ok
told "doctor: dry runs" '[.result.checks[] | select(.check | startswith("ec2:")) | .state] | unique | join(" ")' ok

# ---- no server ------------------------------------------------------------------------------------------------------
call vm1 power.off set.instance="$instance" set.endpoint=http://127.0.0.1:9
told "nobody answers" '"\(.code) \(.effect_possible)"' "unreachable false"
verdict
