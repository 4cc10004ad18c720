<?php
// The trivial task as the old service ran it: a process for each call, under xinetd, with the call
// on standard input and output.
echo "connect\n\n";
$call = [];
while (($line = fgets(STDIN)) !== false && ($line = rtrim($line, "\n")) !== '') {
    [$name, $value] = explode(': ', $line, 2);
    $call[$name] = urldecode($value);
}
$set = 'seen=' . $call['variable_rmUserID'];
echo "sendmsg\ncall-command: execute\nexecute-app-name: set\ncontent-type: text/plain\n",
    'content-length: ', strlen($set), "\n\n", $set, "exit\n\n";
