<?php
// SPDX-License-Identifier: MIT
// The script of clients.py in PHP: client.php PORT ascii|binary. Prints what each call returned.
$client = new Memcached();
$client->setOption(Memcached::OPT_BINARY_PROTOCOL, $argv[2] === 'binary');
$client->setOption(Memcached::OPT_TCP_NODELAY, true);
$client->addServer('127.0.0.1', (int)$argv[1]);

function say(string $what, $value): void
{
    global $client;
    $text = is_string($value) && strlen($value) > 1000 ? strlen($value) . ' bytes ' . md5($value) : json_encode($value);
    echo $what, ' ', $text, ' ', $client->getResultCode(), ' ', $client->getResultMessage(), "\n";
}

say('set', $client->set('a', 'one'));
say('get', $client->get('a'));
say('miss', $client->get('none'));
say('add', $client->add('a', 'x'));
say('add new', $client->add('b', ['list' => [1, 2.5, null]]));
say('get array', $client->get('b'));
say('replace', $client->replace('none', 'x'));
say('number', $client->set('n', 41));
say('increment', $client->increment('n'));
say('decrement', $client->decrement('n', 100));
say('increment none', $client->increment('none'));
say('setMulti', $client->setMulti(['x' => 'X', 'y' => 'Y'], 100));
say('getMulti', $client->getMulti(['x', 'y', 'none']));
say('deleteMulti', $client->deleteMulti(['x', 'none']));
$client->setOption(Memcached::OPT_COMPRESSION, false);
say('text', $client->set('text', 'middle'));
say('append', $client->append('text', ' end'));
say('prepend', $client->prepend('text', 'begin '));
say('text', $client->get('text'));
say('large', $client->set('large', str_repeat('l', 600000)));
say('get large', $client->get('large'));
say('huge', $client->set('huge', str_repeat('h', 1200000)));
say('get huge', $client->get('huge'));
$all = $client->get('a', null, Memcached::GET_EXTENDED);
say('extended', [$all['value'], $all['flags'], $all['cas'] > 0]);
say('cas', $client->cas($all['cas'], 'a', 'two'));
say('cas again', $client->cas($all['cas'], 'a', 'three'));
say('touch', $client->touch('a', 100));
say('touch none', $client->touch('none', 100));
say('expired', $client->set('gone', 'x', -1));
say('get expired', $client->get('gone'));
say('delete', $client->delete('a'));
say('delete again', $client->delete('a'));
say('flush', $client->flush());
say('after', $client->get('text'));
say('long key', $client->set(str_repeat('k', 251), 'x'));
