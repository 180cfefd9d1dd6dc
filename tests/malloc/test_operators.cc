// SPDX-License-Identifier: MIT
// The operators of C++ in a program that links the library: what they do without memory, and with the program's handler.
// tests/malloc/static.sh has those that a program replaces. Speaks TAP.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <new>

extern "C" size_t malloc_usable_size(void *block);

namespace
{

struct alignas(128) Wide {
    char bytes[200];
};

int number;
int failed;
int calls;

void promise(bool kept, const char *sentence)
{
    std::printf("%sok %d - %s\n", kept ? "" : "not ", ++number, sentence);
    failed |= !kept;
}

// Larger than any machine's memory, in a way that no compiler sees.
size_t too_much()
{
    volatile size_t size = PTRDIFF_MAX / 4;
    return size;
}

void give_up_the_third_time()
{
    if (++calls == 3)
        std::set_new_handler(nullptr);
}

void throw_at_once()
{
    calls++;
    throw std::bad_alloc();
}

template <typename Function> bool throws(void (*handler)(), Function function)
{
    calls = 0;
    std::set_new_handler(handler);
    try {
        function();
    } catch (const std::bad_alloc &) {
        std::set_new_handler(nullptr);
        return true;
    }
    std::set_new_handler(nullptr);
    return false;
}

template <typename Function> bool is_null(void (*handler)(), Function function)
{
    bool null = false;

    return !throws(handler, [&] { null = function() == nullptr; }) && null;
}

bool is_aligned(const void *block)
{
    return reinterpret_cast<uintptr_t>(block) % alignof(Wide) == 0;
}

bool aligned_objects_are()
{
    Wide *one = new Wide;
    Wide *many = new Wide[10];
    Wide *perhaps = new (std::nothrow) Wide;
    bool fine = is_aligned(one) && is_aligned(many) && is_aligned(perhaps);

    delete one;
    delete[] many;
    delete perhaps;
    return fine;
}

} // namespace

int main()
{
    const std::align_val_t wide{alignof(Wide)};
    void *nothing = ::operator new(0);

    promise(nothing != nullptr && malloc_usable_size(nothing) >= 1, "new of nothing is a block of this heap");
    ::operator delete(nothing);
    promise(aligned_objects_are(), "objects of a type with an alignment have it");
    promise(throws(nullptr, [] { ::operator delete(::operator new(too_much())); }),
            "without memory new throws");
    promise(throws(nullptr, [] { ::operator delete[](::operator new[](too_much())); }), "... new[]");
    promise(throws(nullptr, [=] { ::operator delete(::operator new(too_much(), wide), wide); }),
            "... aligned");
    promise(throws(nullptr, [=] { ::operator delete[](::operator new[](too_much(), wide), wide); }),
            "... aligned, []");
    promise(throws(give_up_the_third_time, [] { ::operator delete(::operator new(too_much())); }) &&
                calls == 3,
            "the handler is called until it gives up");
    promise(throws(throw_at_once, [] { ::operator delete(::operator new(too_much())); }) && calls == 1,
            "what it throws comes out of new");
    promise(is_null(nullptr, [] { return ::operator new(too_much(), std::nothrow); }), "nothrow new is null");
    promise(is_null(nullptr, [] { return ::operator new[](too_much(), std::nothrow); }), "... new[]");
    promise(is_null(nullptr, [=] { return ::operator new(too_much(), wide, std::nothrow); }), "... aligned");
    promise(is_null(nullptr, [=] { return ::operator new[](too_much(), wide, std::nothrow); }),
            "... aligned, []");
    promise(is_null(give_up_the_third_time, [] { return ::operator new(too_much(), std::nothrow); }) &&
                calls == 3,
            "... with a handler that gives up");
    promise(is_null(throw_at_once, [] { return ::operator new(too_much(), std::nothrow); }) && calls == 1,
            "... with one that throws");
    promise(is_null(throw_at_once, [] { return ::operator new[](too_much(), std::nothrow); }) && calls == 1,
            "... new[], with one that throws");
    promise(is_null(throw_at_once, [=] { return ::operator new(too_much(), wide, std::nothrow); }) &&
                calls == 1,
            "... aligned, with one that throws");
    promise(is_null(throw_at_once, [=] { return ::operator new[](too_much(), wide, std::nothrow); }) &&
                calls == 1,
            "... aligned, [], with one that throws");
    std::printf("1..%d\n", number);
    return failed;
}
