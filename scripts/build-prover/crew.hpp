// A fixed number of threads that take jobs from a list until it is empty.
#pragma once

#include <atomic>
#include <exception>
#include <functional>
#include <thread>
#include <vector>

class Crew {
    unsigned threads;

public:
    explicit Crew(unsigned count) : threads(count < 1 ? 1 : count) {}

    unsigned size() const { return threads; }

    /// Returns when all jobs are done. Put the longest first: they are taken in order. The first exception is thrown again.
    void run(const std::vector<std::function<void()>> &jobs) const {
        std::atomic<size_t> next{0};
        std::atomic<bool> failed{false};
        std::exception_ptr failure;
        auto work = [&] {
            for (size_t i = next++; i < jobs.size() && !failed; i = next++) {
                try {
                    jobs[i]();
                } catch (...) {
                    if (!failed.exchange(true)) failure = std::current_exception();
                }
            }
        };
        std::vector<std::thread> others;
        for (unsigned i = 1; i < threads && i < jobs.size(); i++) others.emplace_back(work);
        work();
        for (auto &other : others) other.join();
        if (failure) std::rethrow_exception(failure);
    }

    /// `body(from, to)` over about equal parts of [0, count).
    template <typename Body>
    void split(uint64_t count, Body body) const {
        std::vector<std::function<void()>> jobs;
        for (uint64_t i = 0; i < threads; i++) {
            const uint64_t from = count * i / threads, to = count * (i + 1) / threads;
            if (from < to) jobs.push_back([=] { body(from, to); });
        }
        run(jobs);
    }
};
