// The file format of snarkjs: numbered sections behind a magic word.
#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <map>
#include <stdexcept>
#include <string>

struct Slice {
    const uint8_t *data;
    uint64_t size;
};

inline uint32_t u32(const uint8_t *at) {
    uint32_t value;
    memcpy(&value, at, 4);
    return value;
}

/// The numbered sections of a file, mapped read-only.
class Container {
    std::map<uint32_t, Slice> sections;

public:
    Container(const char *path, const char *magic) {
        int file = open(path, O_RDONLY);
        struct stat info;
        if (file < 0 || fstat(file, &info) != 0) throw std::runtime_error(std::string("cannot read ") + path);
        const uint64_t size = uint64_t(info.st_size);
        if (size < 12) throw std::runtime_error(std::string(path) + " is cut off");
        void *mapped = mmap(nullptr, size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, file, 0);
        if (mapped == MAP_FAILED) throw std::runtime_error(std::string("cannot map ") + path);
        close(file);
        const uint8_t *base = static_cast<uint8_t *>(mapped);
        if (memcmp(base, magic, 4) != 0) throw std::runtime_error(std::string(path) + " is not a " + magic + " file");
        const uint32_t count = u32(base + 8);
        uint64_t at = 12;
        for (uint32_t i = 0; i < count; i++) {
            if (size - at < 12) throw std::runtime_error(std::string(path) + " is cut off");
            const uint32_t type = u32(base + at);
            uint64_t length;
            memcpy(&length, base + at + 4, 8);
            at += 12;
            if (length > size - at) throw std::runtime_error(std::string(path) + " is cut off");
            sections[type] = Slice{base + at, length};
            at += length;
        }
    }

    Slice section(uint32_t type, uint64_t expected = 0) const {
        auto found = sections.find(type);
        if (found == sections.end()) throw std::runtime_error("section " + std::to_string(type) + " is missing");
        if (expected != 0 && found->second.size != expected) {
            throw std::runtime_error("section " + std::to_string(type) + " has a wrong length");
        }
        return found->second;
    }
};
