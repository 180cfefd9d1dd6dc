#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The script of clients.py in Perl: client.pl PORT. Prints what each call returned.
use strict;
use warnings;
use Cache::Memcached;
use Digest::MD5 qw(md5_hex);

my $client = Cache::Memcached->new({servers => ["127.0.0.1:$ARGV[0]"], compress_threshold => 100_000});

sub say_it {
    my ($what, $value) = @_;
    my $text = !defined $value ? 'undef' : ref $value eq 'HASH' ? join(',', map { "$_=$value->{$_}" } sort keys %$value)
        : ref $value ? join(',', @$value) : length $value > 1000 ? length($value) . ' ' . md5_hex($value) : $value;
    print "$what $text\n";
}

say_it('set', $client->set('a', 'one'));
say_it('get', $client->get('a'));
say_it('miss', $client->get('none'));
say_it('add', $client->add('a', 'x'));
say_it('add new', $client->add('b', [1, 2, 'three']));
say_it('get list', $client->get('b'));
say_it('replace', $client->replace('none', 'x'));
say_it('number', $client->set('n', 41));
say_it('incr', $client->incr('n'));
say_it('decr', $client->decr('n', 100));
say_it('incr none', $client->incr('none'));
say_it('set x', $client->set('x', 'X'));
say_it('get multi', $client->get_multi('a', 'x', 'none'));
say_it('append', $client->append('a', '+'));
say_it('prepend', $client->prepend('a', '-'));
say_it('get', $client->get('a'));
say_it('packed', $client->set('packed', 'p' x 600_000));
say_it('get packed', $client->get('packed'));
$client->enable_compress(0);
say_it('large', $client->set('large', 'l' x 600_000));
say_it('get large', $client->get('large'));
say_it('huge', $client->set('huge', 'h' x 1_200_000));
say_it('get huge', $client->get('huge'));
say_it('expired', $client->set('gone', 'x', -1));
say_it('get expired', $client->get('gone'));
say_it('delete', $client->delete('a'));
say_it('delete again', $client->delete('a'));
say_it('flush', $client->flush_all);
say_it('after', $client->get('x'));
$client->disconnect_all;
