# The CLI runs this before every call of AskUserQuestion, with the call as JSON on standard input. A call that has been settled
# gets what the runner has written into the folder named by the first argument, in a file named like the call's id; any other
# is put off until somebody answers. Nothing of a call is ever run: it is only compared.
call=$(cat)

for settled in "${1:-/nowhere}"/*; do
    case $call in
        *"\"tool_use_id\":\"${settled##*/}\""*) exec cat "$settled" ;;
    esac
done

printf '%s\n' '{"hookSpecificOutput":{"hookEventName":"PreToolUse","permissionDecision":"defer"}}'
