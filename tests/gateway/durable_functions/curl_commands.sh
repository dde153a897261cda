#!/bin/sh
# The commands of the Durable Functions documentation, with only the host changed: $STEAD is where a gateway answers.
#
#     STEAD=http://localhost:7071 sh curl_commands.sh
#
# The sections name the page that a command is from. Requests that are shown there as plain HTTP are written with the options
# that send exactly those. Each answer is printed as it comes, followed by its status on a line of its own.

set -eu
: "${STEAD:?where the gateway answers, such as http://localhost:7071}"

CODE=any # any key will do where none is configured

curl() {
    command curl --silent --show-error --write-out '\n%{http_code}\n' "$@"
}

field() { # the text of a field in the answer to a start
    sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p"
}

settled() { # wait until a status is final: polling, as the documentation's clients do
    tries=0
    until curl "$1" | tail -n 1 | grep -q 200; do
        tries=$((tries + 1))
        if [ "$tries" -gt 200 ]; then
            echo "this is not settled: $1" >&2
            exit 1
        fi
        sleep 0.05
    done
}

say() {
    printf '== %s\n' "$1"
}

say "http-api, complete workflow: 1. start an orchestration"
ID=$(curl -X POST "$STEAD/runtime/webhooks/durabletask/orchestrators/ProcessOrder" \
  -H "Content-Type: application/json" \
  -d '{
    "orderId": "ORD-12345",
    "customerId": "CUST-789",
    "amount": 150.00
  }' | tee /dev/stderr | field id)

say "http-api, complete workflow: 2. poll for status"
curl "$STEAD/runtime/webhooks/durabletask/instances/$ID?code=$CODE"

say "http-api, complete workflow: 3. send an external event"
curl -X POST "$STEAD/runtime/webhooks/durabletask/instances/$ID/raiseEvent/ApprovalReceived?code=$CODE" \
  -H "Content-Type: application/json" \
  -d '{ "approved": true, "reviewer": "manager@contoso.com" }'
settled "$STEAD/runtime/webhooks/durabletask/instances/$ID?code=$CODE"
curl "$STEAD/runtime/webhooks/durabletask/instances/$ID?code=$CODE"

say "http-api, complete workflow: 4. clean up history"
curl -X DELETE "$STEAD/runtime/webhooks/durabletask/instances/$ID?code=$CODE"

say "http-api: start orchestration"
curl -X POST "$STEAD/runtime/webhooks/durabletask/orchestrators/RestartVMs?code=$CODE" \
  -H "Content-Type: application/json" \
  -d '{
    "resourceGroup": "myRG",
    "subscriptionId": "aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e"
}'

say "http-api: raise event"
curl -X POST "$STEAD/runtime/webhooks/durabletask/orchestrators/Counter/bcf6fb5067b046fbb021b52ba7deae5a"
curl -X POST "$STEAD/admin/extensions/DurableTaskExtension/instances/bcf6fb5067b046fbb021b52ba7deae5a/raiseEvent/operation?taskHub=DurableFunctionsHub&connection=Storage&code=$CODE" \
  -H "Content-Type: application/json" \
  -d '"incr"'

say "http-api: terminate instance"
curl -X POST "$STEAD/admin/extensions/DurableTaskExtension/instances/bcf6fb5067b046fbb021b52ba7deae5a/terminate?reason=buggy&taskHub=DurableFunctionsHub&connection=Storage&code=$CODE"
settled "$STEAD/runtime/webhooks/durabletask/instances/bcf6fb5067b046fbb021b52ba7deae5a"

say "http-api: rewind instance"
curl -X POST "$STEAD/admin/extensions/DurableTaskExtension/instances/bcf6fb5067b046fbb021b52ba7deae5a/rewind?reason=fixed&taskHub=DurableFunctionsHub&connection=Storage&code=$CODE"

say "http-api: signal entity"
curl -X POST "$STEAD/runtime/webhooks/durabletask/entities/Counter/steps?op=Add" \
  -H "Content-Type: application/json" \
  -d '5'

say "http-api: get entity"
settled "$STEAD/runtime/webhooks/durabletask/entities/Counter/steps"
curl "$STEAD/runtime/webhooks/durabletask/entities/Counter/steps"

say "http-api: list entities"
curl "$STEAD/runtime/webhooks/durabletask/entities"
curl "$STEAD/runtime/webhooks/durabletask/entities/counter?top=2&fetchState=true"

say "sequence: function chaining"
STATUS=$(curl -X POST "$STEAD/orchestrators/E1_HelloSequence" -H "Content-Length: 0" -H "Content-Type: application/json" | field statusQueryGetUri)
settled "$STATUS"
curl "$STATUS"
curl "$STATUS&showHistory=true&showHistoryOutput=true"

say "quick start"
curl -X POST "$STEAD/api/orchestrators/HelloOrchestrator"
curl "$STEAD/api/orchestrators/HelloOrchestrator"

say "cloud-backup: fan-out and fan-in"
curl -X POST "$STEAD/orchestrators/E2_BackupSiteContent" -H "Content-Type: application/json" -d '"D:\\home\\LogFiles"'

say "phone-verification: human interaction"
EVENT=$(curl -X POST "$STEAD/orchestrators/E4_SmsPhoneVerification" -H "Content-Type: application/json" -d '"+1425XXXXXXX"' \
  | field sendEventPostUri | sed 's/{eventName}/SmsChallengeResponse/')
curl -X POST "$EVENT" -H "Content-Type: application/json" -d 2168

say "overview: an approval"
APPROVAL=$(curl -X POST "$STEAD/runtime/webhooks/durabletask/orchestrators/ApprovalWorkflow" | field id)
curl -d "true" "$STEAD/runtime/webhooks/durabletask/instances/$APPROVAL/raiseEvent/ApprovalEvent" -H "Content-Type: application/json"

say "singletons: start one unless it runs"
curl -X POST "$STEAD/orchestrators/Singleton/the-one"
curl -X POST "$STEAD/orchestrators/Singleton/the-one"

say "instance management: query, suspend, resume, restart, purge"
curl "$STEAD/runtime/webhooks/durabletask/instances?taskHub=DurableFunctionsHub&connection=Storage&code=$CODE&createdTimeFrom=2018-06-04T00:00:00Z&runtimeStatus=Pending,Running&instanceIdPrefix=the&showInput=false&top=10"
curl -X POST "$STEAD/runtime/webhooks/durabletask/instances/the-one/suspend?reason=Need%20to%20pause%20workflow&taskHub=DurableFunctionsHub&connection=Storage&code=$CODE"
curl -X POST "$STEAD/runtime/webhooks/durabletask/instances/the-one/resume?reason=Continue%20workflow&taskHub=DurableFunctionsHub&connection=Storage&code=$CODE"
curl -X POST "$STEAD/runtime/webhooks/durabletask/instances/the-one/restart?taskHub=DurableFunctionsHub&connection=Storage&code=$CODE"
curl -X DELETE "$STEAD/runtime/webhooks/durabletask/instances?taskHub=DurableFunctionsHub&connection=Storage&code=$CODE&createdTimeFrom=2018-06-04T00:00:00Z&createdTimeTo=2999-12-31T00:00:00Z&runtimeStatus=Terminated"
